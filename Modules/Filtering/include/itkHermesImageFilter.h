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
#ifndef itkHermesImageFilter_h
#define itkHermesImageFilter_h

#include "itkHermesSegmenter.h"
#include "itkImage.h"
#include "itkImageToImageFilter.h"
#include "itkNNFilterRun.h"
#include "itkSegmentationModel.h"
#include "itkUniverSegMacros.h"

#include <string>
#include <vector>

namespace itk
{
/** \class HermesImageFilter
 * \brief Segment volumes of any grid with one task of Hermes, a network of context priors.
 *
 * Input: a 3-D scalar image with the intensities of the scanner. Output: a label map with the
 * geometry of the input, in which a voxel is of the class that is most probable there, from 1 on,
 * if its probability is at least a half, else 0. The classes are not exclusive: with
 * ProduceProbabilities there is an output of each one's probability too.
 *
 * The task is one in the model's card or a data set of the paper by TaskName, or the numbers of
 * tasks and of the modality in the pools of priors by TaskNumbers and Modality. The image is resampled and
 * normalised, the network runs in sliding windows, and the probabilities go back to the grid of the
 * input by linear interpolation: nn::HermesPipeline has all numbers. They come from the text Pipeline where it is given,
 * else from the card of the model, else from the data set.
 *
 * The whole input is needed, whatever region is asked for. Work units are the number of threads,
 * up to the threads that ITK has.
 *
 * Throws ExceptionObject when there is no model, no such task, no pipeline, an intensity is NaN or infinite, all of them
 * are the same, or a class does not fit the output pixel type.
 *
 * Y. Gao et al., "Training Like a Medical Resident: Context-Prior Learning Toward Universal Medical
 * Image Segmentation", CVPR 2024, arXiv 2306.02416; yhygao/universal-medical-image-segmentation.
 * \ingroup UniverSegFiltering
 */
template <typename TInputImage, typename TOutputImage = Image<unsigned char, 3>>
class ITK_TEMPLATE_EXPORT HermesImageFilter : public ImageToImageFilter<TInputImage, TOutputImage>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(HermesImageFilter);

  using Self = HermesImageFilter;
  using Superclass = ImageToImageFilter<TInputImage, TOutputImage>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkOverrideGetNameOfClassMacro(HermesImageFilter);

  static constexpr unsigned int ImageDimension = 3;
  static_assert(TInputImage::ImageDimension == 3 && TOutputImage::ImageDimension == 3,
                "HermesImageFilter takes and makes 3-D images");

  using InputImageType = TInputImage;
  using OutputImageType = TOutputImage;
  using InputPixelType = typename TInputImage::PixelType;
  using OutputPixelType = typename TOutputImage::PixelType;
  using ProbabilityImageType = Image<float, 3>;
  using TaskNumbersType = std::vector<int>;
  static_assert(std::is_arithmetic<InputPixelType>::value, "HermesImageFilter takes scalar images");

  /** The network and its weights. Required. */
  itkSetInputMacro(Model, SegmentationModel);
  itkGetInputMacro(Model, SegmentationModel);

  /** The number of a domain of the network; -1, the default: the one of TaskName, else the one that
   * the model's configuration names. */
  itkSetMacro(Task, int);
  itkGetConstMacro(Task, int);

  /** The task by its name in the model's card, else a data set of the paper, as "bcv". Empty by default. */
  itkSetMacro(TaskName, std::string);
  itkGetConstReferenceMacro(TaskName, std::string);

  /** Numbers in the pools of tasks, of the classes 1, 2 and so on, in the place of a task. Empty by
   * default. */
  void SetTaskNumbers(const TaskNumbersType & numbers);
  const TaskNumbersType & GetTaskNumbers() const
  {
    return m_TaskNumbers;
  }

  /** Number of the modality with TaskNumbers, in the published weights 0 CT, 1 PET, 2 T1, 3 T2,
   * 4 cine MRI; -1, the default: unknown. */
  itkSetMacro(Modality, int);
  itkGetConstMacro(Modality, int);

  /** All numbers as JSON, as nn::HermesPipeline::ToJson() writes them. Empty by default. */
  itkSetMacro(Pipeline, std::string);
  itkGetConstReferenceMacro(Pipeline, std::string);

  /** Make the probabilities of the classes outputs too. Off by default. */
  itkSetMacro(ProduceProbabilities, bool);
  itkGetConstMacro(ProduceProbabilities, bool);
  itkBooleanMacro(ProduceProbabilities);

  /** Probabilities of class i + 1, with the input's geometry. Throws ExceptionObject unless
   * ProduceProbabilities is on, and when the task has no such class. */
  ProbabilityImageType * GetProbabilityOutput(unsigned int i);

  /** Classes of the task as it is chosen now. */
  unsigned int GetNumberOfClasses() const;

  /** "auto", the default, or the name of a backend: "reference", "onednn", "cuda". */
  itkSetMacro(Backend, std::string);
  itkGetConstReferenceMacro(Backend, std::string);

  /** "cpu", the default, "cuda", "cuda:1", or "auto": "cuda" where there is one, else "cpu". */
  itkSetMacro(Device, std::string);
  itkGetConstReferenceMacro(Device, std::string);

  /** "float32", the default, or "float64"; on CUDA also "tf32", "bfloat16" and "float16". */
  itkSetMacro(Precision, std::string);
  itkGetConstReferenceMacro(Precision, std::string);

  /** The same bits in every run, on CUDA too. Off by default. */
  itkSetMacro(Deterministic, bool);
  itkGetConstMacro(Deterministic, bool);
  itkBooleanMacro(Deterministic);

  using DataObjectPointerArraySizeType = ProcessObject::DataObjectPointerArraySizeType;
  using Superclass::MakeOutput;
  DataObject::Pointer MakeOutput(DataObjectPointerArraySizeType i) override;

protected:
  HermesImageFilter() = default;
  ~HermesImageFilter() override = default;

  void PrintSelf(std::ostream & os, Indent indent) const override;

  void VerifyPreconditions() const override;
  void GenerateOutputInformation() override;
  void GenerateInputRequestedRegion() override;
  void EnlargeOutputRequestedRegion(DataObject * output) override;
  void GenerateData() override;

private:
  nn::HermesChosenTask ChooseTask() const;

  /** The outputs of probabilities that are not there yet. */
  void MakeOutputs(unsigned int maps);

  void Segment();

  int m_Task = -1;
  std::string m_TaskName;
  TaskNumbersType m_TaskNumbers;
  int m_Modality = -1;
  std::string m_Pipeline;
  bool m_ProduceProbabilities = false;
  std::string m_Backend = "auto";
  std::string m_Device = "cpu";
  std::string m_Precision = "float32";
  bool m_Deterministic = false;
};
} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkHermesImageFilter.hxx"
#endif

#endif
