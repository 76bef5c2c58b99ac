/*=========================================================================
 *
 *  Copyright itk-universeg developers
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         https://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#ifndef itkNNLabelScene_h
#define itkNNLabelScene_h

#include "itkNNImageRendering.h"

#include <memory>
#include <vector>

namespace itk
{
namespace nn
{
/** \class Canvas
 * \brief A label map that reaches a margin beyond the view. Private to the module.
 *
 * The unit of places and lengths is the root of the view's area, their origin the
 * view's top left corner.
 */
struct Canvas
{
  /** \param height of the view, in its pixels
   * \param width of the view
   * \param detail canvas pixels an axis for a pixel of the view
   * \param margin beyond each side, of the view's extent */
  Canvas(std::int64_t height, std::int64_t width, double detail, double margin);

  /** The labels at places given in pixels of the view; the nearest within. */
  LabelMap Look(const Deformation::Places & places) const;

  LabelMap map;
  double detail;  ///< canvas pixels for a pixel of the view
  double unit;    ///< canvas pixels for a unit
  double originY; ///< of the view, in canvas pixels
  double originX;
  double viewHeight; ///< in units
  double viewWidth;
};

/** \class LabelScene
 * \brief What the label maps of a task are. Private to the module. */
class LabelScene
{
public:
  LabelScene() = default;
  virtual ~LabelScene();
  LabelScene(const LabelScene &) = delete;
  LabelScene & operator=(const LabelScene &) = delete;

  virtual void Paint(RandomStream & random, Canvas & canvas) const = 0;

  /** Traits of the labels 0, 1, ... */
  const std::vector<LabelTraits> & GetLabels() const
  {
    return m_Labels;
  }
  /** Labels that may be the foreground together. */
  const std::vector<std::vector<std::int32_t>> & GetCandidates() const
  {
    return m_Candidates;
  }
  /** Whether a subject is painted anew, as cells are, instead of deformed, as organs are. */
  bool IsPaintedAnew() const
  {
    return m_PaintedAnew;
  }

  /** Radius of the thinnest parts that should be seen, in units. */
  double GetFinestRadius() const
  {
    return m_FinestRadius;
  }

protected:
  /** The new label. */
  std::int32_t AddLabel(bool mayResemble = false, std::int32_t likeLabel = -1);

  std::vector<LabelTraits> m_Labels;
  std::vector<std::vector<std::int32_t>> m_Candidates;
  bool m_PaintedAnew = false;
  double m_FinestRadius = 1;
};

std::unique_ptr<LabelScene> MakePerlinScene(RandomStream & random, const SyntheticTaskOptions & options);

/** One or many objects on a background of a few parts. */
std::unique_ptr<LabelScene> MakeObjectScene(RandomStream & random);

/** Curves and branching tubes. */
std::unique_ptr<LabelScene> MakeTubeScene(RandomStream & random);

/** A section of a body with organs. */
std::unique_ptr<LabelScene> MakeSectionScene(RandomStream & random);

/** Layers on each other. */
std::unique_ptr<LabelScene> MakeLayerScene(RandomStream & random);

/** Gives every pixel of label 0 the label of the greatest of as many smooth noises as
 * there are labels. \param spacing in units */
void PaintParts(RandomStream & random, const std::vector<std::int32_t> & labels, double spacing, Canvas & canvas);
} // namespace nn
} // namespace itk

#endif
